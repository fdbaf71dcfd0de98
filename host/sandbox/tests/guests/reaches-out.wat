;; Attempts to find a folder, to open a file, to accept a connection and to sleep.
(module
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    {left}
    (func $process (export "process:double") (param $call i32) (result i32)
        (i32.store (i32.const 4096) (call $prestat (i32.const 3) (i32.const 0)))
        (i32.store (i32.const 4100) (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4)
            (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 4300)))
        (i32.store (i32.const 4104) (call $accept (i32.const 3) (i32.const 0) (i32.const 4300)))
        (i32.store (i32.const 4108) (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 4300)))
        (i32.const 8)))
