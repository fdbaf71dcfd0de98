;; Logs a line before it has any input.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    {process}
    (data (i32.const 512) "hello")
    (func (export "_initialize") (call $report (i32.const 1) (i32.const 512) (i32.const 5))))
