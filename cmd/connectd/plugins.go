package main

import (
	"connectd/connect"
	"connectd/convert"
	"connectd/convert/avro"
	"connectd/transform"

	chsink "connectd/sink/clickhouse"
	pgsink "connectd/sink/postgres"
	s3sink "connectd/sink/s3"
	"connectd/source/api"
	"connectd/source/files"
	pgsource "connectd/source/postgres"
)

// plugins is THE table: all that a connector file may name, one line each. The names after the
// constructor are the Java classes that the line stands in for.
var plugins = connect.Plugins{
	Sources: []connect.Plugin{
		connect.SourcePlugin("api-source", api.New, "com.github.castorm.kafka.connect.http.HttpSourceConnector", "io.confluent.connect.http.HttpSourceConnector"),
		connect.SourcePlugin("files-source", files.New, "org.apache.kafka.connect.file.FileStreamSourceConnector", "FileStreamSource", "io.streamthoughts.kafka.connect.filepulse.source.FilePulseSourceConnector", "com.github.jcustenborder.kafka.connect.spooldir.SpoolDirCsvSourceConnector", "com.github.jcustenborder.kafka.connect.spooldir.SpoolDirJsonSourceConnector", "com.github.jcustenborder.kafka.connect.spooldir.SpoolDirSchemaLessJsonSourceConnector", "com.github.jcustenborder.kafka.connect.spooldir.SpoolDirLineDelimitedSourceConnector", "com.github.jcustenborder.kafka.connect.spooldir.SpoolDirAvroSourceConnector"),
		connect.SourcePlugin("postgres-source", pgsource.New, "io.debezium.connector.postgresql.PostgresConnector"),
	},
	Sinks: []connect.Plugin{
		connect.SinkPlugin("clickhouse-sink", chsink.New, "com.clickhouse.kafka.connect.ClickHouseSinkConnector", "com.altinity.clickhouse.sink.connector.ClickHouseSinkConnector"),
		connect.SinkPlugin("postgres-sink", pgsink.New, "io.confluent.connect.jdbc.JdbcSinkConnector", "io.aiven.connect.jdbc.JdbcSinkConnector", "io.debezium.connector.jdbc.JdbcSinkConnector"),
		connect.SinkPlugin("s3-sink", s3sink.New, "io.confluent.connect.s3.S3SinkConnector", "io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector"),
	},
	Transforms: []connect.Plugin{
		connect.TransformPlugin("unwrap", transform.NewUnwrap, "io.debezium.transforms.ExtractNewRecordState"),
		connect.TransformPlugin("regex-router", transform.NewRegexRouter, "org.apache.kafka.connect.transforms.RegexRouter"),
	},
	Converters: []connect.Plugin{
		connect.ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
		connect.ConverterPlugin("avro", avro.New, "io.confluent.connect.avro.AvroConverter"),
		connect.ConverterPlugin("string", convert.NewString, "org.apache.kafka.connect.storage.StringConverter"),
		connect.ConverterPlugin("bytes", convert.NewBytes, "org.apache.kafka.connect.converters.ByteArrayConverter"),
		connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
	},
}
