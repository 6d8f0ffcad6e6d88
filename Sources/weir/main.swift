import Glibc

StandardDescriptors.fill()
Signals.ignoreBrokenPipes()
exit(Program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
