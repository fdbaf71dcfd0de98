;; Logs two lines, with a line end in one text, and a warning.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (data (i32.const 16384) "one\0atwo\00three")
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $report (i32.const 1) (i32.const 16384) (i32.const 7))
        (call $report (i32.const 2) (i32.const 16392) (i32.const 5))
        (i32.const 8)))
