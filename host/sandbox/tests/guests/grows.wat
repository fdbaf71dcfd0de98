;; Good: grows by three pages, within the limit.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (memory.grow (i32.const 3)))
        (i32.const 0)))
