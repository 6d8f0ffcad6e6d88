import Foundation

/// Replaces files so that after a crash either the old or the new content is there, whole.
enum DurableFile {
    /// Writes beside the file, synchronises, renames over it, and synchronises the folder that holds the name.
    static func replace(_ file: URL, with content: Data) throws {
        let draft = file.appendingPathExtension("new")
        guard FileManager.default.createFile(atPath: draft.path, contents: nil) else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: draft.path])
        }
        let handle = try FileHandle(forWritingTo: draft)
        try handle.write(contentsOf: content)
        try handle.synchronize()
        try handle.close()
        guard rename(draft.path, file.path) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        let folder = try FileHandle(forReadingFrom: file.deletingLastPathComponent())
        try folder.synchronize()
        try folder.close()
    }
}
