;; Logs the first random number that it got in its memory's life, which is the same in every tile.
(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    {double}
    (func (export "process:double") (param $call i32) (result i32)
        (drop (call $random (i32.const 200) (i32.const 8)))
        (if (i64.eqz (i64.load (i32.const 208))) (then (i64.store (i32.const 208) (i64.load (i32.const 200)))))
        (call $report (i32.const 1) (i32.const 200) (i32.const 8))
        (call $double (local.get $call))))
