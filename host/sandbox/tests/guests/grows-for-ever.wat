;; Attempts to get all memory there is, page by page.
(module
    {marker} {memory} {alloc} {describe}
    (func $process (export "process:double") (param $call i32) (result i32)
        (loop $more (drop (memory.grow (i32.const 1))) (br $more))
        (unreachable)))
