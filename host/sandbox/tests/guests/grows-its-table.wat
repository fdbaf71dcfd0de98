;; Attempts to get a table above the limit.
(module
    {marker} {memory} {alloc} {describe}
    (table $t 1 funcref)
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (table.grow $t (ref.null func) (i32.const 1000)))
        (unreachable)))
