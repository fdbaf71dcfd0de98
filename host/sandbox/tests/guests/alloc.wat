;; Part: bump allocation from the second page on, without ever growing.
(global $next (mut i32) (i32.const 65536))
(func $alloc (export "tilefn_alloc") (param $len i32) (param $align i32) (result i32)
    (global.set $next (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get $len))))
