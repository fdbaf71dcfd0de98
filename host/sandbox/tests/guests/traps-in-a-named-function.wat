;; Attempts to fill the error's backtrace with the name of a function, `name`.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (call ${name})
        (unreachable))
    (func ${name} (unreachable)))
