;; Fails as a Rust function does, whose panic handler is in the backtrace.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (call $_ZN4ndvi4mean17h0123456789abcdefE)
        (unreachable))
    (func $_ZN4core9panicking5panic17h0123456789abcdefE (unreachable))
    (func $_ZN4ndvi4mean17h0123456789abcdefE (call $_ZN4core9panicking5panic17h0123456789abcdefE)))
