;; Good: has a memory with a maximum, and traps unless `memory.grow` beyond it returns -1.
(module
    {marker} {alloc} {describe}
    (memory (export "memory") 2 3)
    (func $process (export "process:double") (param $call i32) (result i32)
        (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then (unreachable)))
        (i32.const 0)))
