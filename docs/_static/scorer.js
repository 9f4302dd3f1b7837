// What the search puts first: the chapter that teaches a thing, then what describes it. All but `score` is as in Sphinx.
var Scorer = {
  score: ([docname, title, anchor, description, score]) => (docname.startsWith("chapters/") ? 1000 + score : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
