;; Attempts to get a page more than the limit, having got all below it.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (memory.grow (i32.const 254)))
        (drop (memory.grow (i32.const 1)))
        (unreachable)))
