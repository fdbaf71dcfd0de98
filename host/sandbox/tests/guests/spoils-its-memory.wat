;; Attempts to harm the next tile: traps at a pixel of value 2, having written to its memory, and looks for that write.
(module
    {marker} {memory} {alloc} {describe}
    {double}
    (func (export "process:double") (param $call i32) (result i32)
        (if (f32.eq (f32.load (i32.const 65536)) (f32.const 2))
            (then (i32.store (i32.const 4096) (i32.const 1)) (unreachable)))
        (if (i32.load (i32.const 4096)) (then (unreachable)))
        (call $double (local.get $call))))
