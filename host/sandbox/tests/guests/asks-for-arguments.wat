;; Attempts to learn the program's arguments and environment.
(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
    {marker} {memory} {alloc} {describe}
    {left}
    (func $process (export "process:double") (param $call i32) (result i32)
        (memory.fill (i32.const 4096) (i32.const 255) (i32.const 16))
        (drop (call $args (i32.const 4096) (i32.const 4100)))
        (drop (call $environ (i32.const 4104) (i32.const 4108)))
        (i32.const 8)))
