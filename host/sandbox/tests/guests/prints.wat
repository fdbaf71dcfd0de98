;; Prints the description's first bytes: nine in two pieces and a line end to stdout, four to stderr.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (i32.store (i32.const 4096) (i32.const 1024)) (i32.store (i32.const 4100) (i32.const 4))
        (i32.store (i32.const 4104) (i32.const 1028)) (i32.store (i32.const 4108) (i32.const 5))
        (i32.store8 (i32.const 4200) (i32.const 10))
        (i32.store (i32.const 4112) (i32.const 4200)) (i32.store (i32.const 4116) (i32.const 1))
        (drop (call $fd_write (i32.const 1) (i32.const 4096) (i32.const 3) (i32.const 4300)))
        (drop (call $fd_write (i32.const 2) (i32.const 4096) (i32.const 1) (i32.const 4300)))
        (i32.const 8)))
