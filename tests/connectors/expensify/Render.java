import freemarker.template.Configuration;
import freemarker.template.Template;
import java.io.OutputStreamWriter;
import java.io.StringReader;
import java.io.Writer;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Renders a FreeMarker template: template file, data file, locale. Prints UTF-8. */
public final class Render {
    private final String[] lines;
    private int at;

    private Render(String[] lines) {
        this.lines = lines;
    }

    public static void main(String[] args) throws Exception {
        Configuration configuration = new Configuration(Configuration.VERSION_2_3_31);
        configuration.setLocale(Locale.forLanguageTag(args[2]));
        configuration.setTemplateExceptionHandler(freemarker.template.TemplateExceptionHandler.RETHROW_HANDLER);
        configuration.setLogTemplateExceptions(false);
        Template template = new Template("export", new StringReader(Files.readString(Path.of(args[0]))), configuration);
        Render data = new Render(Files.readString(Path.of(args[1])).split("\n"));
        try (Writer out = new OutputStreamWriter(System.out, StandardCharsets.UTF_8)) {
            template.process(data.value(), out);
        }
    }

    /** One value of the data file: a line with its kind, and what belongs to it. Texts are written as UTF-16 units. */
    private Object value() {
        String line = lines[at++];
        String rest = line.substring(1);
        switch (line.charAt(0)) {
            case 'n':
                return null;
            case 's':
                StringBuilder text = new StringBuilder();
                for (int i = 0; i < rest.length(); i += 4) {
                    text.append((char) Integer.parseInt(rest.substring(i, i + 4), 16));
                }
                return text.toString();
            case 'b':
                return rest.equals("1");
            case 'i':
                return rest.length() < 10 ? (Object) Integer.valueOf(rest) : Long.valueOf(rest);
            case 'd':
                return Double.valueOf(rest);
            case 'm':
                return new BigDecimal(rest);
            case 't':
                return new java.util.Date(Long.parseLong(rest));
            case 'l':
                List<Object> list = new ArrayList<>();
                for (int n = Integer.parseInt(rest); n > 0; n--) {
                    list.add(value());
                }
                return list;
            case 'o':
                Map<String, Object> map = new HashMap<>();
                for (int n = Integer.parseInt(rest); n > 0; n--) {
                    Object key = value();
                    map.put((String) key, value());
                }
                return map;
            default:
                throw new IllegalArgumentException(line);
        }
    }
}
