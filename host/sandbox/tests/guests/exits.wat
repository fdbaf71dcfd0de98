;; Attempts to end the program, with exit code `code`.
(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $exit (i32.const {code}))
        (i32.const 8)))
