;; Attempts to have the host read an outcome that can't be, at `pointer`, from `words` at address 0.
(module
    {marker} {memory} {alloc} {describe}
    (data (i32.const 0) "{words}")
    (func $process (export "process:double") (param $call i32) (result i32)
        (i32.const {pointer})))
