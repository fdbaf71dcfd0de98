;; Attempts to enter the host twice: it calls what it exports, the allocator and itself.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (call $alloc (i32.const 8) (i32.const 8)))
        (call $process (local.get $call))))
