import { render } from 'preact';
import './page.css';

render(<p>hello</p>, document.getElementById('page')!);
