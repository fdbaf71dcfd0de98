;; Attempts to get more time than a tile has, by an allocator whose single calls stay below the limit.
(module
    {marker} {memory} {describe}
    (func (export "tilefn_alloc") (param i32 i32) (result i32) (local $i i32)
        (loop $a_while
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $a_while (i32.lt_u (local.get $i) (i32.const 1000000))))
        (i32.const 65536))
    {process})
