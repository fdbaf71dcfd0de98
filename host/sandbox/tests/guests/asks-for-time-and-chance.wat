;; Attempts to tell one run from another, by the clock and by a random number.
(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    {left}
    (func $process (export "process:double") (param $call i32) (result i32)
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 4096)))
        (drop (call $random (i32.const 4104) (i32.const 8)))
        (i32.const 8)))
