import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.Signature;
import java.text.MessageFormat;
import java.text.NumberFormat;
import java.time.Instant;
import java.time.ZoneId;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.zip.GZIPOutputStream;
import javax.net.ssl.SSLContext;
import javax.xml.parsers.DocumentBuilderFactory;

/** An HTTP service of the JDK alone: items, digests, signatures, XML, zones, locales, bundles, files, streams. */
public class Service {
    private interface Handler { String answer(HttpExchange exchange, String rest) throws Exception; }

    private static final Logger LOG = Logger.getLogger("service");
    private static final Map<Integer, String> ITEMS = new ConcurrentSkipListMap<>();

    public static void main(String[] arguments) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(8080), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        on(server, "/", (exchange, rest) -> rest.isEmpty() ? "It works" : null);
        on(server, "/items/", Service::items);
        on(server, "/digest/", (exchange, rest) -> HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(rest.getBytes(StandardCharsets.UTF_8))));
        on(server, "/sign/", Service::signed);
        on(server, "/tls", (exchange, rest) -> String.join(" ", SSLContext.getDefault().getDefaultSSLParameters().getProtocols()));
        on(server, "/time/", (exchange, rest) -> Instant.EPOCH.atZone(ZoneId.of(rest)).toString());
        on(server, "/number/", (exchange, rest) -> NumberFormat.getInstance(Locale.forLanguageTag(rest)).format(1234567.5));
        on(server, "/greet/", (exchange, rest) -> MessageFormat.format(ResourceBundle.getBundle("texts", Locale.forLanguageTag(rest)).getString("greeting"), "you"));
        on(server, "/host/", (exchange, rest) -> InetAddress.getByName(rest).getHostAddress());
        on(server, "/sum/", (exchange, rest) -> Long.toString(LongStream.rangeClosed(1, Long.parseLong(rest)).parallel().sum()));
        on(server, "/charset/", (exchange, rest) -> HexFormat.of().formatHex("\u00fc".getBytes(Charset.forName(rest))));
        on(server, "/file", Service::file);
        on(server, "/xml", (exchange, rest) -> DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(exchange.getRequestBody()).getDocumentElement().getTextContent());
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(0)));
        LOG.info("listening on 8080");
    }

    private static void on(HttpServer server, String path, Handler handler) {
        server.createContext(path, exchange -> {
            try {
                String rest = exchange.getRequestURI().getPath().substring(path.length());
                String text = handler.answer(exchange, rest);
                send(exchange, text == null ? 404 : "POST".equals(exchange.getRequestMethod()) && path.equals("/items/") ? 201 : 200, text == null ? "not here" : text);
            } catch (Exception | Error error) {
                LOG.warning(error.toString());
                send(exchange, 500, error.toString());
            } finally {
                exchange.close();
            }
        });
    }

    private static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
        if (exchange.getRequestHeaders().getOrDefault("Accept-Encoding", java.util.List.of()).toString().contains("gzip")) {
            ByteArrayOutputStream packed = new ByteArrayOutputStream();
            try (GZIPOutputStream out = new GZIPOutputStream(packed)) { out.write(body); }
            body = packed.toByteArray();
            exchange.getResponseHeaders().set("Content-Encoding", "gzip");
        }
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }

    private static String items(HttpExchange exchange, String rest) throws IOException {
        String name = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        switch (exchange.getRequestMethod()) {
            case "POST": ITEMS.put(ITEMS.size() + 1, name); return "/items/" + ITEMS.size();
            case "DELETE": return ITEMS.remove(Integer.valueOf(rest));
            default:
                return rest.isEmpty() ? ITEMS.entrySet().stream().map(Object::toString).collect(Collectors.joining(", ")) : ITEMS.get(Integer.valueOf(rest));
        }
    }

    private static String signed(HttpExchange exchange, String rest) throws Exception {
        var pair = KeyPairGenerator.getInstance("EC").generateKeyPair();
        Signature signature = Signature.getInstance("SHA256withECDSA");
        signature.initSign(pair.getPrivate());
        signature.update(rest.getBytes(StandardCharsets.UTF_8));
        byte[] made = signature.sign();
        signature.initVerify(pair.getPublic());
        signature.update(rest.getBytes(StandardCharsets.UTF_8));
        return "verified: " + signature.verify(made);
    }

    private static String file(HttpExchange exchange, String rest) throws IOException {
        Path path = Files.createTempFile("service", ".txt");
        Files.write(path, exchange.getRequestBody().readAllBytes());
        String found = Files.readString(path) + " by " + Files.getOwner(path);
        Files.delete(path);
        return found;
    }
}
