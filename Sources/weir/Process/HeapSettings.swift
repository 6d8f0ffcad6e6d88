import CMalloc
import Glibc

/// How glibc's allocator keeps memory in this process.
///
/// A message's small parts (its headers) are allocated by one thread and freed by another, in hundreds of thousands a
/// second, between larger ones; a batch is half a megabyte and lives some milliseconds. Both are bad for the defaults:
/// small chunks wait in fast bins for every larger request to put them together, and the end of the heap goes back to
/// the system with each batch, to be asked for again at once.
enum HeapSettings {
    /// Free memory at the end of a heap that is kept, in bytes.
    private static let kept: Int32 = 16 << 20
    /// Requests from this size on, in bytes, are mapped by themselves and go back to the system when they are freed.
    private static let mapped: Int32 = 4 << 20

    /// Applies to the whole process; to be called before there is a second thread. What the user says in
    /// `GLIBC_TUNABLES` or the `MALLOC_…_` variables is left as it is.
    static func apply() {
        let own = ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"]
        guard own.allSatisfy({ unsafe getenv($0) == nil }) else { return }
        // It is about speed only: where one is refused, the default stays.
        _ = mallopt(weir_malloc_fast_bins_max, 0)
        _ = mallopt(weir_malloc_trim_threshold, kept)
        _ = mallopt(weir_malloc_mmap_threshold, mapped)
    }
}
