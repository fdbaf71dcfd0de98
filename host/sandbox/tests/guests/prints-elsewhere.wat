;; Attempts to print to a file that isn't open, a text and a list of texts outside its memory, and too long a list.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    {left}
    (func $process (export "process:double") (param $call i32) (result i32)
        (i32.store (i32.const 4000) (i32.const -1)) (i32.store (i32.const 4004) (i32.const 4))
        (i32.store (i32.const 4096) (call $fd_write (i32.const 3) (i32.const 4000) (i32.const 1) (i32.const 4300)))
        (i32.store (i32.const 4100) (call $fd_write (i32.const 1) (i32.const 4000) (i32.const 1) (i32.const 4300)))
        (i32.store (i32.const 4104) (call $fd_write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 4300)))
        (i32.store (i32.const 4108) (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 4300)))
        (i32.const 8)))
