;; Attempts to run for ever, in a function that `process` calls.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $deep)
        (unreachable))
    (func $deep (loop $for_ever (br $for_ever))))
