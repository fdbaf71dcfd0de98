;; Doubles pixels, warns on each tile with the text at 4096, and runs for ever on a tile whose first pixel is `hang`.
;; `alloc` and `double` are the files of this name beside the sandbox's tests.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    (func (export "tilefn_abi_v1"))
    (memory (export "memory") 2)
    (data (i32.const 1024) "{description}")
    (data (i32.const 4096) "{warning}")
    (func (export "describe:double") (result i64) (i64.const {described}))
    {alloc}
    {double}
    (func (export "process:double") (param $call i32) (result i32)
        (local $raster i32)
        (local.set $raster (i32.add (local.get $call)
            (i32.load offset=8 (i32.add (local.get $call) (i32.load offset=128 (local.get $call))))))
        (call $report (i32.const {kind}) (i32.const 4096) (i32.const {length}))
        (if (f32.eq (f32.load (i32.load offset=16 (local.get $raster))) (f32.const {hang}))
            (then (loop $ever (br $ever))))
        (call $double (local.get $call))))
