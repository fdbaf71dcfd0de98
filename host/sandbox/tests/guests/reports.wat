;; Attempts to report a text that isn't in its memory, that harms a terminal, or of a kind that doesn't exist:
;; `kind`, `pointer` and `length`; `text` is at 16384. Then it `ends`.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (data (i32.const 16384) "{text}")
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $report (i32.const {kind}) (i32.const {pointer}) (i32.const {length}))
        {ends}))
