;; Part: an outcome at address 8 that shows the 16 bytes at 4096 to the test, as a raster of uint8.
;; The outcome is at 8, its list at 24, the raster at 32.
(data (i32.const 8)
    "\18\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00"
    "\20\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\10\00\00\00\00\10\00\00")
