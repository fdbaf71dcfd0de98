;; Attempts to run for ever.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (loop $for_ever (br $for_ever))
        (unreachable)))
