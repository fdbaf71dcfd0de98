;; Attempts something that WebAssembly doesn't allow: `instructions`.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        {instructions}))
