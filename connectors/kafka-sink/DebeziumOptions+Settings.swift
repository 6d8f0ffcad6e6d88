internal import WeirCore

extension DebeziumOptions {
    /// The options of a configuration; both have Debezium's own names for their values.
    init(_ settings: DebeziumSettings) {
        self.init()
        strict = settings.strict
        decimal = DecimalMode(rawValue: settings.decimal.rawValue) ?? decimal
        timePrecision = TimePrecision(rawValue: settings.timePrecision.rawValue) ?? timePrecision
        interval = IntervalMode(rawValue: settings.interval.rawValue) ?? interval
        binary = BinaryMode(rawValue: settings.binary.rawValue) ?? binary
        hstore = HstoreMode(rawValue: settings.hstore.rawValue) ?? hstore
        tombstones = settings.tombstones
        unavailablePlaceholder = settings.unavailableValuePlaceholder
        skippedOperations = settings.skippedOperations
    }
}
