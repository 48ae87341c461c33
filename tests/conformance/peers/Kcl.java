import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** The KCL: its {@code AggregatorUtil}, without a hash key range. See contract.py. */
public class Kcl {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String line;
        for (int number = 0; (line = in.readLine()) != null; number++) {
            KinesisClientRecord record = KinesisClientRecord.builder()
                    .data(ByteBuffer.wrap(HexFormat.of().parseHex(line)))
                    .partitionKey("outer")
                    .sequenceNumber("1")
                    .build();
            try {
                for (KinesisClientRecord yielded : new AggregatorUtil().deaggregate(List.of(record))) {
                    OUT.println("{\"record\":" + number + fields(yielded) + "}");
                }
            } catch (RuntimeException error) {
                String text = string(error.toString());
                OUT.println("{\"record\":" + number
                        + ",\"aggregated\":false,\"reason\":\"malformed\",\"error\":" + text + "}");
            }
        }
    }

    private static String fields(KinesisClientRecord record) {
        ByteBuffer buffer = record.data().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        String data = ",\"data\":" + string(Base64.getEncoder().encodeToString(bytes));
        if (!record.aggregated()) {
            return ",\"aggregated\":false" + data;
        }
        return ",\"aggregated\":true,\"subSequenceNumber\":" + record.subSequenceNumber()
                + ",\"partitionKey\":" + string(record.partitionKey())
                + ",\"explicitHashKey\":" + string(record.explicitHashKey()) + data;
    }

    private static String string(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char unit : text.toCharArray()) {
            boolean isPlain = unit >= ' ' && unit < 0x7f && unit != '"' && unit != '\\';
            quoted.append(isPlain ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        }
        return quoted.append('"').toString();
    }
}
