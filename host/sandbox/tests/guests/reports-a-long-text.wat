;; Attempts to have an error of 40 000 letters shown.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (memory.fill (i32.const 20000) (i32.const 97) (i32.const 40000))
        (call $report (i32.const 3) (i32.const 20000) (i32.const 40000))
        (i32.const 0)))
