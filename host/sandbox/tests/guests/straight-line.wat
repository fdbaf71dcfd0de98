;; Attempts to escape the clock: `line` is many slow instructions, without a loop or a function's entry,
;; at which the time would be looked at.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (memory.grow (i32.const 253)))
        {line}
        (i32.const 0)))
