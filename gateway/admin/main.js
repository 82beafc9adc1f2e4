// The operator's page: sections, each in a file of its own, on one desk. A further section is a file and a line here.

import { Catalogue } from "./catalogue.js";
import { Desk } from "./desk.js";
import { Hits } from "./hits.js";
import { Pins } from "./pins.js";
import { Search } from "./search.js";
import { Served } from "./served.js";
import { Switches } from "./switches.js";
import { Synonyms } from "./synonyms.js";
import { TakenDown } from "./taken.js";
import { Trending } from "./trending.js";
import { Unanswered } from "./unanswered.js";

const SECTIONS = [Search, Switches, Served, Trending, Unanswered, TakenDown, Pins, Catalogue, Hits, Synonyms];

const desk = new Desk();
desk.open(SECTIONS.map((Section) => new Section(desk)));
