//! Functions of one or two numbers that WebAssembly has no instruction for. NaN in, NaN out.

mod libm {
    unsafe extern "C" {
        pub safe fn exp(x: f64) -> f64;
        pub safe fn log(x: f64) -> f64;
        pub safe fn log2(x: f64) -> f64;
        pub safe fn log10(x: f64) -> f64;
        pub safe fn sin(x: f64) -> f64;
        pub safe fn cos(x: f64) -> f64;
        pub safe fn tan(x: f64) -> f64;
        pub safe fn asin(x: f64) -> f64;
        pub safe fn acos(x: f64) -> f64;
        pub safe fn atan(x: f64) -> f64;
        pub safe fn atan2(y: f64, x: f64) -> f64;
        pub safe fn pow(x: f64, y: f64) -> f64;
        pub safe fn fmod(x: f64, y: f64) -> f64;
    }
}

macro_rules! of_one {
    ($($export:ident = $function:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $export(x: f64) -> f64 {
            libm::$function(x)
        }
    )*};
}
of_one!(
    m_exp = exp,
    m_log = log,
    m_log2 = log2,
    m_log10 = log10,
    m_sin = sin,
    m_cos = cos,
    m_tan = tan,
    m_asin = asin,
    m_acos = acos,
    m_atan = atan
);

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn m_atan2(y: f64, x: f64) -> f64 {
    libm::atan2(y, x)
}

/// IEEE says that 1 to any power is 1, and any number to the power of 0: here what isn't valid stays so.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn m_pow(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { libm::pow(x, y) }
}

/// numpy's remainder: of the divisor's sign.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn m_remainder(a: f64, b: f64) -> f64 {
    let remainder = libm::fmod(a, b);
    if b == 0.0 {
        remainder
    } else if remainder == 0.0 {
        0f64.copysign(b)
    } else if (b < 0.0) != (remainder < 0.0) {
        remainder + b
    } else {
        remainder
    }
}

/// numpy's floor division.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn m_floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let remainder = libm::fmod(a, b);
    let mut quotient = (a - remainder) / b;
    if remainder != 0.0 && (b < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0f64.copysign(a / b);
    }
    let floor = core::arch::wasm32::f64x2_extract_lane::<0>(core::arch::wasm32::f64x2_floor(
        core::arch::wasm32::f64x2_splat(quotient),
    ));
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}
