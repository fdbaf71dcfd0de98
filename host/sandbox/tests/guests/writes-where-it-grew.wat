;; Attempts to find what the tile before left in memory that it had grown by.
(module
    {marker} {memory} {alloc} {describe}
    {double}
    (func (export "process:double") (param $call i32) (result i32)
        (local $result i32)
        (if (i32.ne (memory.size) (i32.const 2)) (then (unreachable)))
        (drop (memory.grow (i32.const 60)))
        (if (i32.load (i32.const 4000000)) (then (unreachable)))
        (local.set $result (call $double (local.get $call)))
        (i32.store (i32.const 4000000) (i32.const -1))
        (local.get $result)))
