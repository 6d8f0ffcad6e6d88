import Glibc

StandardDescriptors.fill()
HeapSettings.apply()
Signals.ignoreBrokenPipes()
exit(Program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
