;; Attempts to print all of its memory, for ever.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (i32.store (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 131072))
        (loop $more
            (drop (call $fd_write (i32.const 1) (i32.const 4096) (i32.const 1) (i32.const 4300)))
            (br $more))
        (unreachable)))
