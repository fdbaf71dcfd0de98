;; Attempts to fill the log with zero bytes, for ever.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (loop $more (call $report (i32.const 1) (i32.const 0) (i32.const 100000)) (br $more))
        (unreachable)))
