;; Attempts to use up the stack.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $process (local.get $call))))
