/// Builds a pipeline's transforms from their settings.
public enum TransformChain {
    /// Makes the transforms, in order; checks everything that can be checked without a table.
    ///
    /// Call it once an attempt, on the source's thread (transforms remember relations and are not Sendable), and once
    /// at start to report mistakes. `pipeline` fills `{pipeline}`; `digest` hashes for `mask`. Throws
    /// `configuration-invalid`, with the step's number in the message.
    public static func make(
        _ settings: [TransformSettings], pipeline: String, digest: SaltedDigestFactory
    ) throws(WeirError) -> [any Transform] {
        var chain: [any Transform] = []
        for (index, step) in settings.enumerated() {
            do throws(WeirError) {
                chain.append(try transform(step, pipeline: pipeline, digest: digest))
            } catch {
                var located = error
                located.message = "transforms[\(index)]: \(error.message)"
                throw located
            }
        }
        return chain
    }

    private static func transform(
        _ step: TransformSettings, pipeline: String, digest: SaltedDigestFactory
    ) throws(WeirError) -> any Transform {
        switch step {
        case .filter(let settings): try FilterTransform(settings)
        case .select(let settings): try ProjectTransform(settings)
        case .drop(let settings): try ProjectTransform(settings)
        case .rename(let settings): try RelabelTransform(settings, pipeline: pipeline)
        case .mask(let settings): try MaskTransform(settings, digest: digest)
        case .route(let settings): try RelabelTransform(settings, pipeline: pipeline)
        }
    }

    /// The tables that one pattern means; a pattern with `!` means all others.
    static func selection(_ pattern: String) throws(WeirError) -> TableSelection {
        do throws(TablePattern.Problem) {
            return TableSelection([try TablePattern(pattern)])
        } catch {
            throw invalid(
                "The table pattern \(pattern) of a transform is malformed", "Write schema.table, with * and ?.",
                cause: error.description)
        }
    }

    static func invalid(_ message: String, _ advice: String, cause: String? = nil) -> WeirError {
        WeirError(.configurationInvalid, stage: .configuration, message, cause: cause, advice: advice)
    }
}
