;; Attempts to find what the tile before left: looks whether all of its 8 MiB from 128 KiB on are zero, then fills them.
(module
    {marker} {alloc} {describe}
    (memory (export "memory") 128)
    (func (export "process:double") (param $call i32) (result i32) (local $at i32)
        (local.set $at (i32.const 131072))
        (loop $more
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 8388608))))
        (memory.fill (i32.const 131072) (i32.const 255) (i32.const 8257536))
        (i32.const 0)))
