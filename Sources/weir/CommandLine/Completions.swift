/// Shell completions made from the declared table.
enum Completions {
    static func script(_ shell: String) -> String? {
        switch shell {
        case "bash": bash()
        case "zsh": zsh()
        case "fish": fish()
        default: nil
        }
    }

    private static var shown: [CommandSpec] { CommandTable.commands.filter { !$0.isHidden } }
    private static var firstWords: [String] {
        shown.reduce(into: []) { words, spec in
            if !words.contains(spec.words[0]) { words.append(spec.words[0]) }
        }
    }
    private static var groups: [(word: String, specs: [CommandSpec])] {
        firstWords.map { word in (word, shown.filter { $0.words[0] == word && $0.words.count == 2 }) }
            .filter { !$0.specs.isEmpty }
    }
    private static var allOptions: [OptionSpec] {
        (CommandTable.global + shown.flatMap(\.options)).reduce(into: []) { options, spec in
            if !options.contains(where: { $0.name == spec.name }) { options.append(spec) }
        }
    }

    private static func flags(_ specs: [OptionSpec]) -> [String] {
        specs.flatMap { spec in ["--\(spec.name)"] + (spec.short.map { ["-\($0)"] } ?? []) }
    }

    // MARK: - bash

    private static func bash() -> String {
        let valued = flags(allOptions.filter { $0.value != nil }).joined(separator: "|")
        var text = """
            # bash completion for weir; source it or put it into /etc/bash_completion.d/
            _weir() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' i
                COMPREPLY=()
                # bash takes "=" for a word of its own
                [[ $current == = ]] && current=''
                [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD-2]}
                for ((i = 1; i < COMP_CWORD; i++)); do
                    case ${COMP_WORDS[i]} in
                        \(valued)) [[ ${COMP_WORDS[i+1]} == = ]] && ((i++)); ((i++)) ;;
                        -*) ;;
                        *) case $command in
                            '') command=${COMP_WORDS[i]} ;;
            \(groups.map { "                \($0.word)) command+=\" ${COMP_WORDS[i]}\" ;;" }.joined(separator: "\n"))
                        esac ;;
                    esac
                done
                case $previous in

            """
        for option in allOptions where option.value != nil {
            let words = option.choices.joined(separator: " ")
            let action =
                option.choices.isEmpty
                ? ""
                : "mapfile -t COMPREPLY < <(compgen -W '\(words)' -- "
                    + "\"$current\"); "
            text += "        \(flags([option]).joined(separator: "|"))) \(action)return ;;\n"
        }
        text += "    esac\n    local words='' files=''\n    case $command in\n"
        text += "        '') words='\((firstWords + flags(CommandTable.global)).joined(separator: " "))' ;;\n"
        for group in groups {
            text += "        \(group.word)) words='\(group.specs.map { $0.words[1] }.joined(separator: " "))' ;;\n"
        }
        for spec in shown {
            let words =
                flags(spec.allOptions) + spec.arguments.flatMap(\.choices) + (spec.name == .help ? firstWords : [])
            let files = spec.arguments.contains(where: \.isFile) ? " files=1" : ""
            text += "        '\(spec.name.rawValue)') words='\(words.joined(separator: " "))'\(files) ;;\n"
        }
        text += """
                esac
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
                if [[ -n $files && $current != -* ]]; then
                    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
                fi
            }
            complete -o filenames -F _weir weir

            """
        return text
    }

    // MARK: - zsh

    private static func zsh() -> String {
        let options = zshOptions(CommandTable.global).map { "        \($0) \\\n" }.joined()
        var text = """
            #compdef weir
            # zsh completion for weir; put it into a folder of $fpath as _weir
            _weir() {
                local context state state_descr line
                typeset -A opt_args
                _arguments -C \\
            \(options)        '1:command:->command' '*::argument:->argument'
                case $state in
                    command)
                        local -a commands=(

            """
        for word in firstWords {
            let summary = shown.first { $0.words == [word] }?.summary ?? "Look after replication \(word)s"
            text += "                \(zshQuoted("\(word):\(summary)"))\n"
        }
        text +=
            "            )\n            _describe command commands ;;\n        argument)\n            case "
            + "$words[1] in\n"
        for group in groups {
            text += "                \(group.word))\n                    local -a commands=("
            text += group.specs.map { zshQuoted("\($0.words[1]):\($0.summary)") }.joined(separator: " ") + ")\n"
            text += "                    if ((CURRENT == 2)); then _describe command commands; return; fi\n"
            text += "                    case $words[2] in\n"
            for spec in group.specs {
                text +=
                    "                        \(spec.words[1])) shift words; ((CURRENT--)); "
                    + "\(zshArguments(spec)) ;;\n"
            }
            text += "                    esac ;;\n"
        }
        for spec in shown where spec.words.count == 1 {
            text += "                \(spec.words[0])) \(zshArguments(spec)) ;;\n"
        }
        text += "            esac ;;\n    esac\n}\n_weir \"$@\"\n"
        return text
    }

    private static func zshArguments(_ spec: CommandSpec) -> String {
        var parts = zshOptions(spec.allOptions)
        for (index, argument) in spec.arguments.enumerated() {
            let action =
                if !argument.choices.isEmpty {
                    "(\(argument.choices.joined(separator: " ")))"
                } else if spec.name == .help {
                    "(\(firstWords.joined(separator: " ")))"
                } else {
                    argument.isFile ? "_files" : ""
                }
            parts.append(zshQuoted("\(index + 1)::\(argument.name):\(action)"))
        }
        return "_arguments " + parts.joined(separator: " ")
    }

    private static func zshOptions(_ specs: [OptionSpec]) -> [String] {
        specs.flatMap { spec -> [String] in
            let doc = spec.doc.replacing("[", with: "\\[").replacing("]", with: "\\]").replacing(":", with: "\\:")
            let value = spec.value.map { value in
                ":\(value):" + (spec.choices.isEmpty ? "" : "(\(spec.choices.joined(separator: " ")))")
            }
            let star = spec.repeats ? "*" : ""
            return flags([spec]).map { zshQuoted("\(star)\($0)[\(doc)]\(value ?? "")") }
        }
    }

    private static func zshQuoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "'\\''") + "'"
    }

    // MARK: - fish

    private static func fish() -> String {
        let words = firstWords.joined(separator: " ")
        var text = "# fish completion for weir; put it into ~/.config/fish/completions/weir.fish\ncomplete -c weir -f\n"
        for spec in CommandTable.global {
            text += "complete -c weir -n '__fish_use_subcommand' \(fishOption(spec))\n"
        }
        for word in firstWords {
            let summary = shown.first { $0.words == [word] }?.summary ?? "Look after replication \(word)s"
            text += "complete -c weir -n '__fish_use_subcommand' -a \(word) -d \(fishQuoted(summary))\n"
        }
        for group in groups {
            let second = group.specs.map { $0.words[1] }.joined(separator: " ")
            for spec in group.specs {
                text +=
                    "complete -c weir -n '__fish_seen_subcommand_from \(group.word); "
                    + "and not __fish_seen_subcommand_from \(second)' -a \(spec.words[1]) -d "
                    + "\(fishQuoted(spec.summary))\n"
            }
        }
        for spec in shown {
            let condition = spec.words.map { "__fish_seen_subcommand_from \($0)" }.joined(separator: "; and ")
            for option in spec.allOptions {
                text += "complete -c weir -n '\(condition)' \(fishOption(option))\n"
            }
            for argument in spec.arguments where !argument.choices.isEmpty {
                text += "complete -c weir -n '\(condition)' -a '\(argument.choices.joined(separator: " "))'\n"
            }
            if spec.arguments.contains(where: \.isFile) { text += "complete -c weir -n '\(condition)' -F\n" }
            if spec.name == .help { text += "complete -c weir -n '\(condition)' -a '\(words)'\n" }
        }
        return text
    }

    private static func fishOption(_ spec: OptionSpec) -> String {
        var text = "-l \(spec.name)"
        if let short = spec.short { text += " -s \(short)" }
        if spec.value != nil {
            text += spec.choices.isEmpty ? " -x" : " -x -a '\(spec.choices.joined(separator: " "))'"
        }
        return text + " -d \(fishQuoted(spec.doc))"
    }

    private static func fishQuoted(_ text: String) -> String {
        "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
}
