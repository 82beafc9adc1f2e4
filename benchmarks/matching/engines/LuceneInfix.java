import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.search.suggest.InputIterator;
import org.apache.lucene.search.suggest.Lookup;
import org.apache.lucene.search.suggest.analyzing.AnalyzingInfixSuggester;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.util.BytesRef;

/** Lucene's AnalyzingInfixSuggester with its defaults. The protocol is that of rivals.py. */
public class LuceneInfix {
    record Entry(String id, long weight, String text) {}

    public static void main(String[] arguments) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        var entries = new ArrayList<Entry>();
        AnalyzingInfixSuggester suggester = null;
        for (String line; (line = in.readLine()) != null; ) {
            var fields = line.split("\t", -1);
            switch (fields[0]) {
                case "table" -> {
                    entries.clear();
                    suggester = null;
                }
                case "entry" -> entries.add(new Entry(fields[1], Long.parseLong(fields[2]), fields[3]));
                default -> {
                    if (suggester == null) suggester = build(entries);
                    out.println(ids(suggester.lookup(fields[1], 10, true, false)));
                }
            }
        }
    }

    static AnalyzingInfixSuggester build(List<Entry> entries) throws Exception {
        var suggester = new AnalyzingInfixSuggester(new ByteBuffersDirectory(), new StandardAnalyzer());
        suggester.build(InputIterator.EMPTY);
        for (var entry : entries)
            suggester.add(new BytesRef(entry.text()), null, entry.weight(), new BytesRef(entry.id()));
        suggester.refresh();
        return suggester;
    }

    static String ids(List<Lookup.LookupResult> results) {
        var ids = new ArrayList<String>();
        for (var result : results) ids.add(result.payload.utf8ToString());
        return String.join("\t", ids);
    }
}
