/// The configuration reference, made from the declared fields, so that it cannot differ from what is read.
public enum SettingsReference {
    /// The reference as Markdown: one table for each block.
    public static func markdown(catalog: SettingsCatalog = .standard) -> String {
        var blocks = [
            block("Top level", path: "", WeirSettings.Keys.all)
        ]
        for source in catalog.sources {
            let isDefault = source.type == WeirSettings.Keys.sourceType.fallback
            let title = "Source with `type: \(source.type)`\(isDefault ? " (the default)" : "")"
            blocks.append(block(title, path: "source.", source.fields))
        }
        let common = [WeirSettings.Keys.type.info, WeirSettings.Keys.name.info]
        blocks.append(block("Every sink", path: "sinks[].", common))
        for sink in catalog.sinks {
            blocks.append(block("Sink with `type: \(sink.type)`", path: "sinks[].", sink.fields))
        }
        for step in TransformReader.reference {
            blocks.append(block("Transform `\(step.name)`", path: "transforms[].\(step.name).", step.fields))
        }
        blocks.append(block("State", path: "state.", [WeirSettings.Keys.statePath.info]))
        blocks.append(block("HTTP endpoint", path: "http.", [WeirSettings.Keys.listen.info]))
        blocks.append(block("Debezium events", path: "debezium.", DebeziumOptions.fields))
        blocks.append(block("Limits", path: "limits.", LimitSettings.fields))
        return blocks.joined(separator: "\n")
    }

    private static func block(_ title: String, path: String, _ fields: [SettingsFieldInfo]) -> String {
        var text = "### \(title)\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
        for field in fields {
            text += "| `\(path)\(field.name)` | \(field.type) | \(fallback(field)) | \(field.doc) |\n"
        }
        return text
    }

    private static func fallback(_ field: SettingsFieldInfo) -> String {
        switch field.fallback {
        case .required: "**required**"
        case .none: ""
        case .value(let text): text.contains("`") || text.contains(" ") ? text : "`\(text)`"
        }
    }
}
