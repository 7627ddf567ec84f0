/** The entry point of the page. */

import { mount } from "svelte";
import App from "./app/App.svelte";
import "../../src/zatlas/templates/brand.css"; // shared with galleries and reports
import "./app/style.css";

mount(App, { target: document.getElementById("app")! });
