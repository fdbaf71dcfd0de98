;; Good: counts pixels. The state is a 32-bit number, the result its last decimal digit.
(module
    (import "tilefn" "report" (func $report (param i32 i32 i32)))
    {marker} {memory} {alloc} {describe}
    (func (export "process:count") (param $call i32) (result i32)
        (i32.store (i32.const 64) (i32.mul
            (i32.load offset=48 (local.get $call)) (i32.load offset=52 (local.get $call))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 4))
        (i32.const 32))
    (func (export "merge:count") (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
        (i32.store (i32.const 64) (i32.add (i32.load (local.get $a)) (i32.load (local.get $b))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 4))
        (i32.const 32))
    (func (export "finish:count") (param $state i32) (param $len i32) (result i32)
        (call $report (i32.const 2) (i32.const 1024) (i32.const 6))
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.rem_u (i32.load (local.get $state)) (i32.const 10))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 1))
        (i32.const 32)))
