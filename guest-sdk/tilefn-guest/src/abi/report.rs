//! Texts to the host: log lines, failures, panics.

use tilefn_abi::Report;

/// Hands a text to the host.
#[cfg(target_arch = "wasm32")]
pub(crate) fn report(kind: Report, text: &str) {
    #[expect(unsafe_code, reason = "the host's import")]
    #[link(wasm_import_module = "tilefn")]
    unsafe extern "C" {
        #[link_name = "report"]
        safe fn host_report(kind: u32, text: *const u8, len: usize);
    }
    host_report(kind as u32, text.as_ptr(), text.len());
}

/// In a native test there is no host: log lines go to stderr.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn report(kind: Report, text: &str) {
    #[cfg(feature = "std")]
    std::eprintln!("{kind:?}: {text}");
    #[cfg(not(feature = "std"))]
    let _ = (kind, text);
}

/// Sends panics to the host, with their place; once per instance.
#[cfg(all(target_arch = "wasm32", feature = "std"))]
pub(crate) fn install_panic_hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(std::boxed::Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("no message");
            let text = match panic.location() {
                Some(place) => alloc::format!("{message}, at {place}"),
                None => message.into(),
            };
            report(Report::Panic, &text);
        }));
    });
}

/// Without `std` the function's crate has its own panic handler.
#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
pub(crate) fn install_panic_hook() {}
